import type { GpuReading } from '../../connectors/system/nvidia-gpus.ts'
import type { Family } from './exposition.ts'
import { family, type MetricName } from './metric-table.ts'

/** Metrics of the GPUs of this machine. A value that a GPU does not tell has no sample. */
export function gpuFamilies(readings: readonly GpuReading[]): readonly Family[] {
  const each = (metric: MetricName, told: (reading: GpuReading) => number | null) =>
    family(
      metric,
      readings.flatMap((reading) => {
        const value = told(reading)
        const { index, uuid, name } = reading
        return value === null ? [] : [{ labels: { gpu: index, uuid, name }, value }]
      }),
    )
  return [
    each('waggle_gpu_utilization_ratio', ({ utilization }) => utilization),
    each('waggle_gpu_memory_used_bytes', ({ usedBytes }) => usedBytes),
    each('waggle_gpu_memory_total_bytes', ({ totalBytes }) => totalBytes),
    each('waggle_gpu_temperature_celsius', ({ celsius }) => celsius),
    each('waggle_gpu_power_watts', ({ watts }) => watts),
  ]
}
