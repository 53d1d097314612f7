"""The chat in a terminal: in the normal scrollback, without a full screen."""
