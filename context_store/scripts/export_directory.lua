-- EXPORT of a tenant's directory, in one piece.
raise_epoch()
return {'OK', {content(alerts), content(opening), content(open), content(recent)}}
