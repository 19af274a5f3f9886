"""The rule of OneOf that graphql-core passes over where such an object is required: its variables can't be null."""

from typing import Any

from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLNonNull,
    OperationDefinitionNode,
    ValidationRule,
    type_from_ast,
)


class OneOfVariablesRule(ValidationRule):
    """Refuses a variable of a nullable type as the one field of a OneOf input object."""

    def leave_operation_definition(self, operation: OperationDefinitionNode, *_: Any) -> None:
        """Look at all variables of an operation, those in its fragments too."""
        given = {one.variable.name.value: one for one in operation.variable_definitions or ()}
        for usage in self.context.get_recursive_variable_usages(operation):
            required, name = usage.parent_type, usage.node.name.value
            # One that isn't required graphql-core looks at itself.
            parent = required.of_type if isinstance(required, GraphQLNonNull) else None
            if name not in given or not isinstance(parent, GraphQLInputObjectType) or not parent.is_one_of:
                continue
            kind = type_from_ast(self.context.schema, given[name].type)
            if kind is not None and not isinstance(kind, GraphQLNonNull):
                words = f"must be non-nullable to be used for OneOf Input Object '{parent}'."
                self.report_error(GraphQLError(f"Variable '${name}' is of type '{kind}' but {words}", [usage.node]))
