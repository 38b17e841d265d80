"""PromQL as text: what it says, where it says it, and which rows it takes to answer."""
