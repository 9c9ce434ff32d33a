-- Minimum, mean and maximum of every series of gauges, sums and histograms; a series by the hash of what the exporter writes about it.
SELECT cityHash64(MetricName, ServiceName, Attributes, ResourceAttributes) AS series, min(Value) AS least, avg(Value) AS mean, max(Value) AS most
FROM
(
    SELECT MetricName, ServiceName, Attributes, ResourceAttributes, Value FROM otel_metrics_gauge WHERE Tenant = {tenant:String} AND Recording = ''
    UNION ALL
    SELECT MetricName, ServiceName, Attributes, ResourceAttributes, Value FROM otel_metrics_sum WHERE Tenant = {tenant:String} AND Recording = ''
    UNION ALL
    SELECT MetricName, ServiceName, Attributes, ResourceAttributes, Sum AS Value FROM otel_metrics_histogram WHERE Tenant = {tenant:String} AND Recording = ''
)
GROUP BY series
