"""dashboard: the page that shows a service and teaches it, in a browser.

The page is plain HTML, CSS and JavaScript in ``static/``, and speaks protocol 1 itself, over a
WebSocket. The server hands out those files and carries messages between the WebSocket and the
service, unread.
"""

from spikewire.apps.dashboard.asgi import make_app
from spikewire.apps.dashboard.server import serve_dashboard

__all__ = ["make_app", "serve_dashboard"]
