"""Resources and scopes: what many items have in common is turned into columns once, and then repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from middlewatch.frontends.otlp.attributes import service_of
from middlewatch.frontends.otlp.columns import listed_maps, numbers, texts
from middlewatch.frontends.otlp.messages import Read


@dataclass(slots=True)
class Groups:
    """The resources and scopes of a request; an item is of the scope with its number."""

    resources: list[Read] = field(default_factory=list)
    resource_urls: list[str] = field(default_factory=list)
    scopes: list[Read] = field(default_factory=list)
    resource_of: list[int] = field(default_factory=list)
    """By the number of a scope."""

    def walk(self, resources: Iterable[Read], scopes: Callable[[Read], Iterable[Read]]) -> Iterator[tuple[int, Read]]:
        """Every scope with its number, in the order of the request; what comes by is kept.

        Args:
            resources: of the request.
            scopes: those of a resource.
        """
        for resource in resources:
            self.resources.append(resource.resource)
            self.resource_urls.append(resource.schema_url)
            for scope in scopes(resource):
                self.scopes.append(scope)
                self.resource_of.append(len(self.resources) - 1)
                yield len(self.scopes) - 1, scope

    def columns(self, scope_of: Sequence[int], *, whole: bool = True) -> dict[str, pa.Array]:
        """The columns of items.

        Args:
            scope_of: the number of each item's scope.
            whole: with what only logs and metrics have: schemas and attributes of scopes.
        """
        scope_rows = pa.array(scope_of, pa.int32())
        resource_rows = pa.array(self.resource_of, pa.int32()).take(scope_rows)
        services = texts([service_of(resource.attributes) for resource in self.resources])
        columns = {
            "ServiceName": services.take(resource_rows),
            "ResourceAttributes": listed_maps(resource.attributes for resource in self.resources).take(resource_rows),
            "ScopeName": self._scopes(each.scope.name for each in self.scopes).take(scope_rows),
            "ScopeVersion": self._scopes(each.scope.version for each in self.scopes).take(scope_rows),
        }
        if whole:
            columns |= {
                "ResourceSchemaUrl": texts(self.resource_urls).take(resource_rows),
                "ScopeSchemaUrl": self._scopes(each.schema_url for each in self.scopes).take(scope_rows),
                "ScopeAttributes": listed_maps(each.scope.attributes for each in self.scopes).take(scope_rows),
            }
        return columns

    def dropped(self, scope_of: Sequence[int]) -> pa.Array:
        """How many attributes each item's scope has lost."""
        return numbers([each.scope.dropped_attributes_count for each in self.scopes], "uint32").take(pa.array(scope_of, pa.int32()))

    @staticmethod
    def _scopes(values: Iterable[str]) -> pa.Array:
        return texts(list(values))
