"""Things that move as things: made scenes, whose masks are known."""
