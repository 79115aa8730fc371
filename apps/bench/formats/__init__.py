"""`bench decode` and `bench simulator`: recordings in and out."""
