-- FORGET_TEXT: the log keeps the digest, and nobody can tell any more what it is of.
return {'OK', redis.call('HDEL', texts, digest)}
