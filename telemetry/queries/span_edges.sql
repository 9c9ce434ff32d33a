-- Calls between services per step: a span whose parent belongs to another service. Declared edges are listed without calls too.
WITH
    -- include: edge_spans
    own AS
    (
        SELECT parent, service, began, duration, failed
        FROM spans
        WHERE parent != 0 AND began >= {start:Int64} AND began < {end:Int64}
            AND slot < if(began >= {recent:Int64}, {kept_recent:UInt32}, {kept_older:UInt32})
    ),
    arraySort(groupArrayArray(by_step)) AS steps
-- include: edges
