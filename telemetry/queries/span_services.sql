-- The services that sent a span, one that calls nobody and is called by nobody as well.
SELECT DISTINCT toString(ServiceName) AS service
FROM otel_traces
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
    AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
    AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
ORDER BY service
