"""The Assistants API as data: operations, objects, events, pages, errors and ids. Imports nothing of ours."""
