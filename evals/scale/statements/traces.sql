-- Requests as trees of spans. Own times are log-normal by hash; children follow one another after their parent's own time, so
-- that with nodes in preorder every start and duration is a difference of running sums.
INSERT INTO otel_traces
    (Tenant, Recording, Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName, SpanAttributes, Duration, StatusCode)
WITH
    {services:Array(String)} AS services,
    {nodes:Array(Array(UInt16))} AS nodes,
    {operations:Array(Array(String))} AS operations,
    {kinds:Array(Array(String))} AS kinds,
    {log_ms:Array(Array(Float64))} AS log_ms,
    {sizes:Array(Array(UInt16))} AS sizes,
    {parents:Array(Array(UInt16))} AS parents
SELECT
    {tenant:String} AS Tenant,
    '' AS Recording,
    fromUnixTimestamp64Nano(began + clock[node]) AS Timestamp,
    lower(hex(sipHash128({seed:UInt64}, request))) AS TraceId,
    lower(hex(reinterpretAsFixedString(cityHash64({seed:UInt64}, request, node)))) AS SpanId,
    if(parent = 0, '', lower(hex(reinterpretAsFixedString(cityHash64({seed:UInt64}, request, parent))))) AS ParentSpanId,
    operations[tree][node] AS SpanName,
    kinds[tree][node] AS SpanKind,
    services[nodes[tree][node]] AS ServiceName,
    mapFromArrays(
        ['service.name', 'service.version', 'service.instance.id', 'k8s.namespace.name', 'cloud.region', 'telemetry.sdk.language'],
        [ServiceName, '1.4.2', concat(ServiceName, '-', toString(cityHash64(request, node) % {instances:UInt8})), 'shop', 'eu-central-1', 'java']
    ) AS ResourceAttributes,
    'instrumentation' AS ScopeName,
    mapFromArrays(['http.request.method', 'http.response.status_code'], [substring(SpanName, 1, position(SpanName, ' ') - 1), if(failed, '500', '200')]) AS SpanAttributes,
    toUInt64(clock[node + sizes[tree][node]] - clock[node]) AS Duration,
    if(failed, 'Error', 'Unset') AS StatusCode
FROM
(
    SELECT
        number AS request,
        {slots:Array(UInt16)}[1 + cityHash64({seed:UInt64}, 'tree', request) % length({slots:Array(UInt16)})] AS tree,
        {start:Int64} + toInt64(({end:Int64} - {start:Int64}) / {requests:UInt64} * (number + cityHash64({seed:UInt64}, 'begin', request) % 1024 / 1024)) AS began,
        began >= {fault:Int64} AS in_fault,
        -- Box and Muller: two uniform numbers, from two hashes, give a normal one.
        arrayMap(
            (mean, service, node) -> toInt64(1e6 * exp(mean
                + 0.4 * sqrt(-2 * log((1 + cityHash64({seed:UInt64}, request, node, 'a') % 65536) / 65537)) * cos(2 * pi() * (cityHash64({seed:UInt64}, request, node, 'b') % 65536) / 65536)
                + if(in_fault AND service = {faulty:UInt16}, {slower:Float64}, 0))),
            log_ms[tree], nodes[tree], arrayEnumerate(nodes[tree])
        ) AS own_nanos,
        arrayPushFront(arrayCumSum(own_nanos), toInt64(0)) AS clock,
        arrayMap(
            (service, node) -> cityHash64({seed:UInt64}, request, node, 'error') % 1000 < if(in_fault AND service = {faulty:UInt16}, 100, 1),
            nodes[tree], arrayEnumerate(nodes[tree])
        ) AS fails
    FROM numbers({first:UInt64}, {count:UInt64})
)
-- What fails inside a span fails the span.
ARRAY JOIN
    arrayEnumerate(own_nanos) AS node,
    parents[tree] AS parent,
    arrayMap((size, node) -> arrayExists(f -> f, arraySlice(fails, node, size)), sizes[tree], arrayEnumerate(fails)) AS failed
