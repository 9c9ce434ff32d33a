-- Log lines of no request: heartbeats, garbage collection, housekeeping.
INSERT INTO otel_logs
    (Tenant, Recording, Timestamp, SeverityText, SeverityNumber, ServiceName, Body, ResourceAttributes, ScopeName)
WITH {services:Array(String)} AS services
SELECT
    {tenant:String} AS Tenant,
    '' AS Recording,
    fromUnixTimestamp64Nano({start:Int64} + toInt64(({end:Int64} - {start:Int64}) / {lines:UInt64} * (number + chance % 1024 / 1024))) AS Timestamp,
    'INFO' AS SeverityText,
    9 AS SeverityNumber,
    services[1 + chance % length(services)] AS ServiceName,
    multiIf(
        number % 3 = 0, concat('heartbeat ', toString(number), ' sent to registry at 10.0.', toString(intDiv(chance, 7) % 256), '.2:8761 in ', toString(intDiv(chance, 11) % 90), ' ms'),
        number % 3 = 1, concat('pause young ', toString(intDiv(chance, 13) % 512), 'M->', toString(intDiv(chance, 17) % 128), 'M(1024M) ', toString(intDiv(chance, 19) % 400 / 10), 'ms'),
        concat('removed ', toString(intDiv(chance, 23) % 40), ' expired entries from the cache')
    ) AS Body,
    mapFromArrays(
        ['service.name', 'service.version', 'service.instance.id', 'k8s.namespace.name', 'cloud.region'],
        [ServiceName, '1.4.2', concat(ServiceName, '-', toString(intDiv(chance, 29) % {instances:UInt8})), 'shop', 'eu-central-1']
    ) AS ResourceAttributes,
    'runtime' AS ScopeName
FROM (SELECT number, cityHash64({seed:UInt64}, 'line', number) AS chance FROM numbers({first:UInt64}, {count:UInt64}))
