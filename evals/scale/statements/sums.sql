-- Counters: a rate of the series' own, with noise smaller than the increase of one interval, so that none ever falls.
INSERT INTO otel_metrics_sum
    (Tenant, Recording, ResourceAttributes, ScopeName, ServiceName, MetricName, MetricUnit, Attributes, StartTimeUnix, TimeUnix, Value, AggregationTemporality, IsMonotonic)
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
    if(metric < length(names), map('http.request.method', 'GET'), map('http.request.method', 'GET', 'http.route', concat('/', toString(intDiv(metric, length(names)))))) AS Attributes,
    fromUnixTimestamp64Nano({start:Int64}) AS StartTimeUnix,
    fromUnixTimestamp64Nano(nanos + toInt64(of_series % 1000) * 1000000) AS TimeUnix,
    floor((1 + of_series % 100) * {interval:Int64} / 1e9 * (step + 0.5 * (cityHash64({seed:UInt64}, series, step) % 1001 / 1000))) AS Value,
    2 AS AggregationTemporality,
    true AS IsMonotonic
FROM
(
    SELECT
        number % {series:UInt64} AS series,
        intDiv(number, {series:UInt64}) AS step,
        {start:Int64} + toInt64(step) * {interval:Int64} AS nanos,
        intDiv(series, length({services:Array(String)}) * {instances:UInt8}) AS metric,
        cityHash64({seed:UInt64}, 'sum', series) AS of_series
    FROM numbers({first:UInt64}, {count:UInt64})
)
