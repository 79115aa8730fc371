"""Numba's compiler with less work: helpers are inlined without copies, parts are not optimised.

A kernel that only other kernels call is a *part*. Numba would optimise it alone, translate it into
machine code with a wrapper for Python, and do both again in each kernel that calls it. Here a part
is typed and lowered, and the kernel that Python calls is optimised and translated as a whole.
"""

from __future__ import annotations

from typing import Any

from numba.core import compiler, sigutils
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import require_global_compiler_lock
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.inline_closurecall import InlineWorker, callee_ir_validator
from numba.core.typing.templates import make_concrete_template
from numba.core.untyped_passes import InlineInlinables


class _Worker(InlineWorker):
    """Inlines a helper's code as it comes.

    Numba copies it twice, and with each of its blocks all of its variables: that took half of the
    time of compiling. The code is made anew for each call, so there is nothing to keep.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        vars(self)["_compiler_pipeline"] = _untyped

    def inline_function(
        self, caller_ir: Any, block: Any, i: int, function: Any, arg_typs: Any = None
    ) -> Any:
        callee_ir = self.run_untyped_passes(function)
        for part in callee_ir.blocks.values():
            part.__deepcopy__ = lambda memo, itself=part: itself
        free = function.__code__.co_freevars
        inlined = self.inline_ir(caller_ir, block, i, callee_ir, free, arg_typs=arg_typs)
        for part in inlined[1].values():
            vars(part).pop("__deepcopy__", None)
        return inlined


@register_pass(mutates_CFG=True, analysis_only=False)
class _Inline(InlineInlinables):
    """Numba's pass with our worker."""

    _name = "spikewire_inline"

    def _do_work(
        self, state: Any, work_list: Any, block: Any, i: int, expr: Any, inline_worker: Any
    ) -> Any:
        if not isinstance(inline_worker, _Worker):
            inline_worker = _Worker(
                state.typingctx, state.targetctx, state.locals, state.pipeline, state.flags,
                validator=callee_ir_validator,
            )  # fmt: skip
        return super()._do_work(state, work_list, block, i, expr, inline_worker)


def _with_ours(manager: Any) -> Any:
    manager.passes = [
        (_Inline if one is InlineInlinables else one, text) for one, text in manager.passes
    ]
    return manager


def _untyped(state: Any) -> Any:
    return _with_ours(compiler.DefaultPassBuilder.define_untyped_pipeline(state))


class KernelCompiler(compiler.CompilerBase):
    """Numba's compiler without object mode, with our inlining."""

    def define_pipelines(self) -> list[Any]:
        """List the only pipeline."""
        build = compiler.DefaultPassBuilder
        manager = PassManager("kernel")
        for define in (
            _untyped, build.define_typed_pipeline, build.define_nopython_lowering_pipeline,
        ):  # fmt: skip
            manager.passes.extend(define(self.state).passes)
        manager.finalize()
        return [manager]


class _Part(JITCodeLibrary):
    """The code of a part, which is neither optimised nor translated: its callers are."""

    def finalize(self) -> None:
        require_global_compiler_lock()
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._optimize_final_module()
        self._final_module.verify()
        self._finalize_dynamic_globals()
        self._finalized = True


def compile_whole(compiled: Any, signatures: list[Any]) -> None:
    """Compile a kernel for Python, into the cache."""
    compiled._compiler.pipeline_class = KernelCompiler
    for signature in signatures:
        compiled.compile(signature)


def compile_part(compiled: Any, signature: Any) -> None:
    """Compile a kernel for the kernels that call it; Python cannot call it then."""
    args, return_type = sigutils.normalize_signature(signature)
    inner = compiled._compiler
    flags: Any = compiler.Flags()
    inner.targetdescr.options.parse_as_flags(flags, inner.targetoptions)
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    context = inner.targetdescr.target_context
    result = compiler.compile_extra(
        inner.targetdescr.typing_context, context, compiled.py_func, args=args,
        return_type=return_type, flags=flags, locals=inner.locals,
        library=_Part(context.codegen(), compiled.py_func.__qualname__),
        pipeline_class=KernelCompiler,
    )  # fmt: skip
    # Callers find its code by its entry point. There is none: any value of its own will do.
    result = result._replace(entry_point=object())
    context.insert_user_function(result.entry_point, result.fndesc, [result.library])
    compiled.overloads[tuple(args)] = result


def part_template(compiled: Any, arguments: Any, named: Any) -> Any:
    """Type a call of a part as Numba does, without compiling it for other types."""
    signature, folded = compiled.fold_argument_types(arguments, named)
    name = compiled.py_func.__name__
    template = make_concrete_template(name, name, compiled.nopython_signatures)
    return template, signature, folded, {}
