"""Every error of the store arrives on the client as it was raised."""

import pickle

import pytest

from storage import errors


def leaves(root):
    return [root, *(leaf for child in root.__subclasses__() for leaf in leaves(child))]


@pytest.mark.parametrize("kind", leaves(errors.StoreError), ids=lambda kind: kind.__name__)
def test_pickling_keeps_type_facts_and_message(kind):
    error = kind("store", "no room left", "Free some space.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.subject, again.problem, again.cure) == ("store", "no room left", "Free some space.")
    assert str(again) == str(error) == "store: no room left. Free some space."


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.StoreNotFoundError, FileNotFoundError),
        (errors.StoreNotWritableError, PermissionError),
        (errors.DiskFullError, OSError),
        (errors.SchemaMismatchError, ValueError),
        (errors.DatasetNotFoundError, LookupError),
    ],
)
def test_leaves_are_also_the_builtin_that_fits(kind, builtin):
    assert issubclass(kind, builtin)
