"""The demonstration corpus: bilingual customer-service tickets with planted faults, made from a seed."""
