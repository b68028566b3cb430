"""What can be wrong with a record, as numbers in compiled loops and as the words of the ledger."""

#: Verdicts on a record; the first that holds, from the highest down, is the one it gets.
SOUND, SHORT_ROW, LONG_ROW, BAD_QUOTING, UNTERMINATED_QUOTE, RECORD_TOO_LONG, BAD_ENCODING = range(7)
REASONS = (
    "",
    "short_row",
    "long_row",
    "bad_quoting",
    "unterminated_quote",
    "record_too_long",
    "bad_encoding",
)
#: A record of several fields that is the header once more.
REPEATED_HEADER = "repeated_header"
