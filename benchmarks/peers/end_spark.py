"""From CSV to a tested model by Spark on one machine, a thread a core."""

import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.end_dask import parquet_outputs

_MEMORY = "4g"


def work(files: list[str], first_test_id: int, scratch: str, threads: int, **_: Any) -> dict[str, float]:
    """How good the model is; the rows lie in Parquet files.

    Spark has no normal form KC of its own, so that Arrow's comes as an Arrow function. The first of equal texts is the
    one with the least id, whatever order a shuffle has. Its own standardization makes rare words weigh too much: texts
    are normalized instead, as by the others. ``regParam`` as in `end_pandas`.
    """
    # The imports are part of a program's time.
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.feature import IDF, HashingTF, Normalizer, RegexTokenizer, StringIndexer
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as sql
    from pyspark.sql.functions import arrow_udf

    os.environ["PYSPARK_PYTHON"] = sys.executable
    folder = str(Path(scratch) / "rows")
    spark = (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", _MEMORY)
        .config("spark.local.dir", scratch)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", 4 * threads)
        .getOrCreate()
    )
    try:

        @arrow_udf("string")  # type: ignore[untyped-decorator]
        def nfkc(texts: pa.Array) -> pa.Array:
            return pc.utf8_normalize(texts, "NFKC")

        rows = spark.read.csv(
            files, schema="id LONG, text STRING, label STRING", header=True, multiLine=True, escape='"'
        )
        text = sql.trim(sql.regexp_replace(nfkc("text"), r"\s+", " "))
        clean = rows.withColumn("text", text).dropna().where("text <> ''")
        first = clean.groupBy("text").agg(sql.min(sql.struct("id", "label")).alias("first"))
        first.select("first.id", "text", "first.label").write.parquet(folder)
        back = spark.read.parquet(folder)
        train, test = back.where(back["id"] < first_test_id), back.where(back["id"] >= first_test_id)
        model = Pipeline(
            stages=[
                StringIndexer(inputCol="label", outputCol="target"),
                RegexTokenizer(inputCol="text", outputCol="words", pattern=r"(?U)\b\w\w+\b", gaps=False),
                HashingTF(inputCol="words", outputCol="counts", numFeatures=2**20),
                IDF(inputCol="counts", outputCol="weighted"),
                Normalizer(inputCol="weighted", outputCol="features"),
                LogisticRegression(labelCol="target", regParam=1 / train.count(), standardization=False, maxIter=30),
            ]
        ).fit(train)
        accuracy = MulticlassClassificationEvaluator(labelCol="target", metricName="accuracy")
        return {"accuracy": float(accuracy.evaluate(model.transform(test)))}
    finally:
        spark.stop()


def stored(scratch: str, first_test_id: int, **_: Any) -> dict[str, Any]:
    """How many rows the files have, a digest of them whatever their order, and how many tested."""
    return parquet_outputs(Path(scratch) / "rows", first_test_id)
