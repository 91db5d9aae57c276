"""Pictures of runs, drawn by matplotlib, which `pip install dovetail[report]` brings."""
