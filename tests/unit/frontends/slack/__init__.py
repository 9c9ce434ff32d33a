"""What Slack is shown."""
