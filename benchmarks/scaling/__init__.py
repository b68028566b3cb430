"""From two workers to ten thousand: what a graph costs, what a cluster would take, and how far the two agree."""
