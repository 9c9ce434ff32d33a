"""What changes things. Nothing here does yet; agents never import it, and only the application hands actions to the gateway."""
