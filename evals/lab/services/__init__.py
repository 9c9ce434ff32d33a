"""The shop's four services: storefront, orders, inventory and pricing. Each instance is a process started by `serve`."""
