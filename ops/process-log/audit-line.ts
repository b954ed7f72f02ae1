import type { ManagedCall } from '../../connectors/gateway/access/route-guard.ts'
import type { LogLine } from './log-line.ts'

/** Writes the line of the audit log for a call that manages something. */
export function auditLine(say: LogLine, { caller, method, path, target, flags, status, requestId, isRefused }: ManagedCall): void {
  const fields = {
    ...(requestId === '' ? {} : { request_id: requestId }),
    ...(target === '' ? {} : { target }),
    ...(flags.length === 0 ? {} : { flags: flags.join(' ') }),
    ...(isRefused ? { refused: true as const } : {}),
  }
  say(auditModule, 'info', [caller || 'anybody', method, path, status, target, ...flags].filter((word) => word !== '').join(' '), fields)
}

export const auditModule = 'audit'
