"""SQL that is put together means what it should, whatever the texts hold."""

import duckdb
import pytest

from storage.sql_text import list_of


@pytest.mark.parametrize("texts", [[], ["a"], ["it's", 'a"b', "", "c\\d", "字"], ["a\nb", "c"], ["a", "a"]])
def test_a_list_of_texts_is_those_texts(texts):
    ((found,),) = duckdb.sql(f"SELECT {list_of(texts)}").fetchall()
    assert found == texts
