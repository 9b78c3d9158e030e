"""What stands above a list: what it is of and how fresh, and why its target is silent."""

from __future__ import annotations

from textual.geometry import Size

from alphapulse_tui.widgets.lines import Line, LineWidget, spread, wrap


class HeadLine(LineWidget):
    """Two things on one line, left and right."""

    DEFAULT_CSS = """
    HeadLine { height: 1; }
    """

    left: Line = Line()
    right: Line = Line()

    def lines(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - one line
        """Both ends."""
        return [spread(self.left, self.right, width)]

    def show(self, left: Line, right: Line) -> None:
        """Take new content and paint what changed."""
        self.left, self.right = left, right
        self.repaint()


class ProblemLines(LineWidget):
    """Why the target tells nothing now: the whole sentence, what to do stands at its end. Takes no room while there is none."""

    DEFAULT_CSS = """
    ProblemLines { height: auto; max-height: 4; }
    """

    problem: str = ""

    def lines(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - as many as the sentence takes
        """The sentence, a space before each of its lines as in the line above."""
        return [Line(((" ", "plain"), *one.spans)) for one in wrap(self.problem, max(1, width - 2), "unknown")]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's signature
        """Lines that the sentence takes."""
        return len(self.lines(width, 0)) if self.problem else 0

    def show(self, problem: str) -> None:
        """Take another sentence; what stands below makes room or moves up."""
        if problem != self.problem:
            self.problem = problem
            self._build()
            self.refresh(layout=True)
