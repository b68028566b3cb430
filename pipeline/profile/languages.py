"""In which languages texts are written, as the operation `detect_language` tells them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.operations.language import identify

#: Texts with nothing to tell by, and those whose language is less sure than all others together.
NO_LANGUAGE, UNSURE = "none", "unsure"
_SURE = 0.5
#: Characters of a text that are looked at: more hardly make it surer.
_LONGEST = 1000


def languages_of(texts: pa.Array) -> list[str]:
    """The language of each text: an ISO 639-1 code, `NO_LANGUAGE` or `UNSURE`.

    Examples
    --------
    >>> languages_of(pa.array(["The parcel is late again and nobody answers.", "客服一直不回复我的问题", "42 !"]))
    ['en', 'zh', 'none']
    """
    codes, confidence = identify(pa.chunked_array([pc.utf8_slice_codeunits(texts, 0, _LONGEST)]))
    unsure = pa.array(np.asarray(confidence) < _SURE)
    told = pc.if_else(pc.and_(unsure, codes.is_valid()), UNSURE, codes)
    return list(pc.fill_null(told, NO_LANGUAGE).to_pylist())
