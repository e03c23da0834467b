/** An address as the ssh server sees it. */
export interface FarEnd {
  readonly host: string;
  readonly port: number;
  /**
   * Where set, this end of the tunnel speaks TLS with it, so that the certificate is checked under this name and not
   * under that of the local port. Absent where the store's own driver does that, or none is spoken.
   */
  readonly tlsName?: string | undefined;
}

export function farEndText({ host, port }: FarEnd): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
