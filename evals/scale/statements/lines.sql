-- Log lines that spans write. Which sentences an operation says hangs on its service and name alone; each has words that vary.
INSERT INTO otel_logs
    (Tenant, Recording, Timestamp, TraceId, SpanId, SeverityText, SeverityNumber, ServiceName, Body, ResourceAttributes, ScopeName)
WITH
    {heads:Array(String)} AS heads,
    {middles:Array(String)} AS middles,
    {tails:Array(String)} AS tails,
    {variables:Array(Array(UInt8))} AS variables,
    {severities:Array(String)} AS severities,
    {nouns:Array(String)} AS nouns,
    [('DEBUG', 5), ('INFO', 9), ('WARN', 13), ('ERROR', 17)] AS numbers
SELECT
    Tenant,
    Recording,
    Timestamp + toIntervalNanosecond(intDiv(Duration * (line + 1), 8)) AS Timestamp,
    TraceId,
    SpanId,
    severities[sentence] AS SeverityText,
    arrayFirst(pair -> pair.1 = SeverityText, numbers).2 AS SeverityNumber,
    ServiceName,
    concat(
        '[http-nio-8080-exec-', toString(1 + of_span % 20), '] com.example.', replaceOne(toString(ServiceName), '-', '.'), '.Handler - ', heads[sentence], noun,
        arrayStringConcat(arrayMap(
            (variable, part) -> concat(part, multiIf(
                variable = 1, toString(intDiv(chance, 7) % 100000),
                variable = 2, lower(hex(reinterpretAsFixedString(sipHash64(chance, variable)))),
                variable = 3, concat(toString(intDiv(chance, 11) % 9000 / 10), 'ms'),
                variable = 4, concat('"', nouns[1 + intDiv(chance, 13) % length(nouns)], '-', toString(intDiv(chance, 17) % 500), '"'),
                variable = 5, concat('10.', toString(intDiv(chance, 19) % 256), '.', toString(intDiv(chance, 23) % 256), '.7:8080'),
                variable = 6, toString(reinterpretAsUUID(sipHash128(chance, variable))),
                ''
            )),
            variables[sentence], [middles[sentence], tails[sentence]]
        ))
    ) AS Body,
    ResourceAttributes,
    'application' AS ScopeName
FROM
(
    SELECT
        Tenant, Recording, Timestamp, TraceId, SpanId, ServiceName, ResourceAttributes, Duration,
        cityHash64({seed:UInt64}, SpanId) AS of_span,
        StatusCode = 'Error' AS failed,
        cityHash64({seed:UInt64}, ServiceName, SpanName) AS of_operation,
        -- So many lines on average; a failed span says one more.
        arrayJoin(range(toUInt64(floor({lines_per_span:Float64} + of_span % 1024 / 1024)) + failed)) AS line,
        cityHash64(of_span, line) AS chance,
        1 + if(failed AND line = 0, 0, 1 + cityHash64(of_operation, line) % (length({heads:Array(String)}) - 1)) AS sentence,
        {nouns:Array(String)}[1 + of_operation % length({nouns:Array(String)})] AS noun
    FROM otel_traces
    WHERE Tenant = {tenant:String} AND Recording = ''
        AND Timestamp >= fromUnixTimestamp64Nano({from:Int64}) AND Timestamp < fromUnixTimestamp64Nano({to:Int64})
)
