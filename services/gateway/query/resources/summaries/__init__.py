"""What the source documents call a dashboard: quick figures, days, weeks and insights, each made of questions."""
