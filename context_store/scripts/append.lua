-- APPEND: holder -> evidence is written with the task, if absent.
if not known or not is_open() or not holds(task, owner, token_epoch, token_counter) then
  return {'STALE'}
end
local new = write(written)
task_event('evidence.appended', task, {written = new, known = #written - new})
return {'OK', new}
