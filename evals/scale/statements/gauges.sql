-- Gauges: a level of the series' own, a slow wave, and noise; those of the faulty service rise.
INSERT INTO otel_metrics_gauge
    (Tenant, Recording, ResourceAttributes, ScopeName, ServiceName, MetricName, MetricUnit, Attributes, StartTimeUnix, TimeUnix, Value)
WITH {services:Array(String)} AS services, {names:Array(String)} AS names, {units:Array(String)} AS units
SELECT
    {tenant:String} AS Tenant,
    '' AS Recording,
    mapFromArrays(
        ['service.name', 'service.version', 'service.instance.id', 'k8s.namespace.name', 'cloud.region', 'host.name'],
        [ServiceName, '1.4.2', concat(ServiceName, '-', toString(intDiv(series, length(services)) % {instances:UInt8})), 'shop', 'eu-central-1',
            concat('node-', toString(cityHash64(series % length(services)) % 40))]
    ) AS ResourceAttributes,
    'runtime' AS ScopeName,
    services[1 + series % length(services)] AS ServiceName,
    names[1 + metric % length(names)] AS MetricName,
    units[1 + metric % length(names)] AS MetricUnit,
    if(metric < length(names), map(), map('pool', concat('pool-', toString(intDiv(metric, length(names)))))) AS Attributes,
    fromUnixTimestamp64Nano({start:Int64}) AS StartTimeUnix,
    fromUnixTimestamp64Nano(nanos + toInt64(of_series % 1000) * 1000000) AS TimeUnix,
    (0.2 + of_series % 100 / 200)
        * (1 + 0.1 * sin(nanos / 1e9 / 1800 + of_series % 7) + 0.05 * (cityHash64({seed:UInt64}, series, step) % 2001 / 1000 - 1))
        * if(nanos >= {fault:Int64} AND 1 + series % length(services) = {faulty:UInt16} AND metric % length(names) < 2, 1.8, 1)
        * if(MetricUnit = 'By', 1e9, if(MetricUnit = '1', 1, 200)) AS Value
FROM
(
    SELECT
        number % {series:UInt64} AS series,
        intDiv(number, {series:UInt64}) AS step,
        {start:Int64} + toInt64(step) * {interval:Int64} AS nanos,
        intDiv(series, length({services:Array(String)}) * {instances:UInt8}) AS metric,
        cityHash64({seed:UInt64}, 'gauge', series) AS of_series
    FROM numbers({first:UInt64}, {count:UInt64})
)
