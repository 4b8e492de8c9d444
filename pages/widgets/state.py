"""The state of a page: one frozen value, kept in the session and written to the page's address."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import streamlit as st

T = TypeVar("T")


class PageState(Generic[T]):
    """Keeps a frozen dataclass `T` under `key` in the session; `read` makes one from query parameters.

    `write` gives the query parameters of all fields that differ from `usual`; `forget` adds to a change what
    depended on the old values.
    """

    def __init__(
        self,
        key: str,
        usual: T,
        read: Callable[[dict[str, str]], T],
        write: Callable[[str, Any], str] = lambda name, value: str(value),
        forget: Callable[[dict[str, Any]], dict[str, Any]] = lambda values: values,
    ) -> None:
        self.key, self.usual = key, usual
        self._read, self._write, self._forget = read, write, forget
        self._types = get_type_hints(type(usual))

    def current(self) -> T:
        """The session's value; at its first run, what the address says."""
        if self.key not in st.session_state:
            st.session_state[self.key] = self._read(dict(st.query_params))
        value: T = st.session_state[self.key]
        return value

    def change(self, **values: Any) -> None:
        """Change the value: from callbacks, before the page runs again."""
        st.session_state[self.key] = replace(self.current(), **self._forget(values))  # type: ignore[type-var]

    def bound(
        self,
        key: str,
        value: object,
        field: str,
        of: Callable[[Any], Any] = lambda picked: picked,
        among: Collection[object] | None = None,
    ) -> dict[str, Any]:
        """Keyword arguments that tie a Streamlit widget to one field.

        The widget always shows `value`; what a person picks in it goes through `of` into the field. Where it was no
        option any longer when the click arrived, Streamlit gives its label. That is left where it does not fit the
        field, or is not `among` the options, which are to be given where a label might fit.
        """
        st.session_state[key] = value

        def told() -> None:
            picked = st.session_state[key]
            known = among is None or picked in among
            if picked is not None and known and fits(of(picked), self._types[field]):
                self.change(**{field: of(picked)})

        return {"key": key, "on_change": told}

    def to_address(self, value: T) -> dict[str, str]:
        """The query parameters that differ from a fresh view."""
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))  # type: ignore[arg-type]
        return {name: self._write(name, each) for name, each in pairs if each != getattr(self.usual, name)}

    def publish(self, beside: Mapping[str, str] | None = None) -> None:
        """Write the value to the page's address, so that it can be shared; `beside` is what else stands there."""
        wanted = {**(beside or {}), **self.to_address(self.current())}
        if dict(st.query_params) != wanted:
            st.query_params.from_dict(wanted)


def fits(value: object, kind: Any) -> bool:
    """Whether a value is of the type that a field of a state has: a class, some of them, or a tuple of any length."""
    if isinstance(kind, UnionType):
        return any(fits(value, each) for each in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(fits(each, get_args(kind)[0]) for each in value)
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)
