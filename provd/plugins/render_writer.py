"""Templates to Python, as Jinja2 does it but for what large files take most of their time with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame, optimizeconst


def _names(node: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(node, nodes.Name):
        yield node
    yield from node.find_all(nodes.Name)


class Writer(CodeGenerator):
    """Lets ``finalize`` alone decide how a value is written. Jinja2 would escape once more what is escaped already,
    which costs half of the time, and lets templates switch that off."""

    environment: Any
    """A :class:`~provd.plugins.render_engine.SandboxEnvironment`."""

    JOIN = "''.join"
    """What puts pieces of output together."""

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802 - Jinja2's name
        """What stands between two statements as one piece of output: each piece passes through a generator for every
        template that it is nested in, which is a third of the time of a file."""
        if frame.require_output_check:
            super().visit_Output(node, frame)
            return
        finalize = self._make_finalize()
        self.writeline(f"yield {self.JOIN}((" if frame.buffer is None else f"{frame.buffer}.extend((", node)
        self.indent()
        often = Counter(child.name for child in node.nodes if isinstance(child, nodes.Name))
        ready: dict[str, str] = {}
        for child in node.nodes:
            constant = self._constant(child, frame, finalize)
            name = child.name if isinstance(child, nodes.Name) else ""
            if constant is not None:
                self.writeline(f"{constant!r},")
            elif name in ready:
                self.writeline(f"{ready[name]},")
            else:
                self.newline(child)
                if often[name] > 1:
                    # A key's or a line's number stands in each of its lines: it is made a text once.
                    ready[name] = self.temporary_identifier()
                    self.write(f"({ready[name]} := ")
                self._output_child_pre(child, frame, finalize)
                self.visit(child, frame)
                self._output_child_post(child, frame, finalize)
                self.write(")," if name in ready else ",")
        self.outdent()
        self.writeline("))")

    @optimizeconst
    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja2's name
        """``a ~ b``."""
        if frame.eval_ctx.volatile or frame.eval_ctx.autoescape:
            super().visit_Concat(node, frame)
            return
        self.write(f"({'%s' * len(node.nodes)!r} % (")
        for child in node.nodes:
            self.visit(child, frame)
            self.write(", ")
        self.write("))")

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 - Jinja2's name
        """Looks names from outside a loop up in front of it, not in each of its rounds: nothing in a loop sets them."""
        names = {name.name for part in (*node.body, node.test) if part for name in _names(part)} - {"loop"}
        targets = {name.name for name in _names(node.target)}
        outside = frame.copy()  # a copy: what stands behind the loop knows nothing of these
        for name in sorted(names - targets):
            if outside.symbols.find_ref(name) is None:
                outside.symbols.load(name)
                self.writeline(f"{outside.symbols.ref(name)} = {self.get_resolve_func()}({name!r})")
        super().visit_For(node, outside)

    def _constant(self, child: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> str | None:
        """The text of a child that is the same for every file."""
        if finalize.const is None and not isinstance(child, nodes.TemplateData):
            return None
        try:
            return str(self._output_child_to_const(child, frame, finalize))
        except Exception:  # noqa: BLE001 - nodes.Impossible, or an error that is told when the file is rendered
            return None

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        del node, frame
        # A call for each of ten thousand texts takes a third of the time of a large file.
        plain = "written if type(written := " if self.environment.plain_texts else ""
        self.write(f"({plain}" if plain else finalize.src or "(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        del node, frame
        self.write(f") is str else {finalize.src}written))" if self.environment.plain_texts else ")")

    @optimizeconst
    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - Jinja2's name
        """``a.b``: an entry of a plain mapping without a call."""
        name = repr(node.attr)
        self.write(f"(held[{name}] if type(held := ")
        self.visit(node.node, frame)
        self.write(f") is dict and {name} in held else environment.getattr(held, {name}))")

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> str:
        if isinstance(node, nodes.TemplateData) or finalize.const is None:
            return super()._output_child_to_const(node, frame, finalize)
        return finalize.const(node.as_const(frame.eval_ctx))
