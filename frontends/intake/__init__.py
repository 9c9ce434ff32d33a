"""What is the same for whatever senders tell of: how a delivery comes in, how it shows whose it is, and how its parts are read."""
