/** An error of the HTTP interface itself, in ClickHouse's form: code, message, name and HTTP status. */
export class QueryRefused extends Error {
  readonly code: number
  readonly status: number

  constructor(code: number, name: string, message: string, status = 500) {
    super(`Code: ${code}. DB::Exception: ${message}. (${name})`)
    this.code = code
    this.status = status
  }
}
