"""The agents: four that look at one signal each, and the orchestrator that plans, collects votes and concludes."""
