"""The work: reading, cleaning, checking, features, training, evaluation."""
