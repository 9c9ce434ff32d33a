"""The shop's services: storefront, orders, inventory, pricing and shipping. Each instance is a process started by `serve`."""
