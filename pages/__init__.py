"""What this project's HTML pages share: one file that fetches nothing, its look, and small charts."""
