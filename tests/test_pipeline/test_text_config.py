"""What the settings of features and training accept."""

import pytest
from pydantic import ValidationError

from pipeline.text.config import FeatureConfig
from pipeline.train.config import SplitConfig, TrainConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"analyzer": "words"}, "'word', 'char', 'char_wb', 'chinese' or 'chinese_word'"),
        ({"ngrams": [3, 2]}, "the smaller first"),
        ({"ngrams": [0, 2]}, "two numbers from 1 to 8"),
        ({"bits": 27}, "less than or equal to 26"),
        ({"bit": 20}, "Extra inputs"),
        ({"stop_words": "german"}, 'write "english", or the words themselves'),
        ({"stop_words": ["the"], "analyzer": "char"}, 'for analyzer = "word"'),
        ({"keep_punctuation": True}, 'is for analyzer = "chinese"'),
        ({"stop_words": ["isn't"]}, 'write "isn"'),
        ({"stop_words": ["The"]}, 'write "the"'),
    ],
)
def test_wrong_features(settings, message):
    with pytest.raises(ValidationError, match=message):
        FeatureConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "lbgfs"}, "'incremental' or 'lbfgs'"),
        ({"split": {"test": 1.5}}, "between 0 and 1"),
        ({"split": {"test": 0}}, "between 0 and 1"),
        ({"split": {"column": "split"}}, "needs the value that marks a test row"),
        ({"split": {"test": "dev"}}, "is not a share"),
        ({"split": {"column": "split", "test": "dev", "test_files": ["a"]}}, "exclude each other"),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"learning_rate": 0}, "greater than 0"),
    ],
)
def test_wrong_training(settings, message):
    with pytest.raises(ValidationError, match=message):
        TrainConfig.model_validate(settings)


def test_the_pull_follows_the_solver():
    assert TrainConfig().l2 == 0.03
    assert TrainConfig.model_validate({"solver": "lbfgs"}).l2 == 0.1
    assert TrainConfig(solver="lbfgs").l2 == 0.1
    assert TrainConfig(solver="lbfgs", l2=0.03).l2 == 0.03


def test_ngrams_follow_the_analyzer():
    assert FeatureConfig().ngram_range == (1, 2)
    assert FeatureConfig(analyzer="char_wb").ngram_range == (2, 4)
    assert FeatureConfig(analyzer="char_wb", ngrams=(1, 5)).ngram_range == (1, 5)


@pytest.mark.parametrize("config", [FeatureConfig, SplitConfig, TrainConfig])
def test_every_setting_is_documented(config):
    assert [name for name, field in config.model_fields.items() if not field.description] == []


def test_survives_json():
    features = FeatureConfig.model_validate({"stop_words": "english"})
    assert {"the", "of"} < set(features.stop_words)
    assert FeatureConfig.model_validate(features.model_dump(mode="json")) == features
    config = TrainConfig.model_validate({"split": {"test_files": ["*test.csv"]}, "class_weight": "balanced"})
    assert TrainConfig.model_validate(config.model_dump(mode="json")) == config
