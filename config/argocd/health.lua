-- Health of a NetworkBaseline for Argo CD. The conditions follow kstatus, so only three of them are asked.
local function health(status, message)
  return { status = status, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "The policies are being taken down")
end
if obj.status == nil or obj.status.conditions == nil then
  return health("Progressing", "The operator has not seen this baseline yet")
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "The operator has not seen this change yet")
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end

local stalled = conditions["Stalled"]
if stalled ~= nil and stalled.status == "True" then
  return health("Degraded", stalled.message)
end
local reconciling = conditions["Reconciling"]
if reconciling ~= nil and reconciling.status == "True" then
  return health("Progressing", reconciling.message)
end
local ready = conditions["Ready"]
if ready == nil or ready.status ~= "True" then
  return health("Progressing", ready ~= nil and ready.message or "Not ready yet")
end
-- Not "Suspended" for spec.suspend or hold-at: Argo CD's sync waves would wait for its end.
return health("Healthy", ready.message)
