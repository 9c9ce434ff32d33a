-- Log lines per service, severity and step.
SELECT service, severity, arrayMap(s -> s.1, steps) AS times, arrayMap(s -> s.2, steps) AS count
FROM
(
    SELECT service, severity, arraySort(groupArray((time, lines))) AS steps
    FROM
    (
        SELECT
            toString(ServiceName) AS service,
            if(SeverityNumber > 0, SeverityNumber,
                transform(upper(SeverityText), {severity_texts:Array(String)}, {severity_numbers:Array(UInt8)}, 0)) AS number,
            if(number > 0, {severity_names:Array(String)}[toUInt8(intDiv(number + 3, 4) + 1)], upper(SeverityText)) AS severity,
            fromUnixTimestamp64Micro(intDiv({start:Int64} + intDiv(toUnixTimestamp64Nano(Timestamp) - {start:Int64}, {step:Int64}) * {step:Int64}, 1000), 'UTC') AS time,
            count() AS lines
        FROM otel_logs
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        GROUP BY service, number, severity, time
    )
    GROUP BY service, severity
)
ORDER BY service, severity
