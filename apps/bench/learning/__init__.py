"""`bench gestures`, `fewshot` and `teachme`: learning measured."""
