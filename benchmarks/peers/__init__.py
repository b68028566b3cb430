"""Other programs that do what textmill does, as their own documentation recommends; none imports textmill."""
