"""What the prompt formats of others have in common: drafts, front matter, schemas, and two template languages."""
