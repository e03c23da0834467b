import { readFile } from 'node:fs/promises';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import { MigrateError } from '../../model/errors.ts';

/** How to speak TLS to a server. Its certificate is always checked: there is no switch that leaves that out. */
export interface RedisTls {
  /** PEM file with the authorities to trust in place of the system's. */
  readonly caFile?: string | undefined;
  /** PEM files of the certificate by which this client names itself, and of its key. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Of the key. */
  readonly passphrase?: string | undefined;
  /** The name that must stand in the server's certificate, where it is not the host's. */
  readonly servername?: string | undefined;
}

/** The driver's options. The files are read at each connection, so that renewed certificates are taken. */
export async function tlsOptions(tls: RedisTls): Promise<ConnectionOptions> {
  const [ca, cert, key] = await Promise.all([
    fileOf('--redis-ca', tls.caFile),
    fileOf('--redis-cert', tls.certFile),
    fileOf('--redis-key', tls.keyFile),
  ]);
  const options = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw new MigrateError('unreachable', `the certificates for Redis cannot be used: ${(error as Error).message}`, {
      next: /passphrase|bad decrypt|interrupted or cancelled/i.test(String(error))
        ? 'set REDIS_KEY_PASSPHRASE to the passphrase of --redis-key'
        : 'see that --redis-ca, --redis-cert and --redis-key name PEM files, and that certificate and key belong together',
    });
  }
  return { ...options, ...(tls.servername === undefined ? {} : { servername: tls.servername }) };
}

async function fileOf(flag: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new MigrateError('unreachable', `${flag} ${path} cannot be read (${code})`, { next: 'correct the path' });
  }
}

const ASKS_FOR_CERTIFICATE = /certificate required|alert handshake failure|alert bad certificate|peer did not return/i;
const UNKNOWN_CERTIFICATE = /alert unknown ca|alert certificate (expired|revoked|unknown)|alert decrypt error/i;
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|CERT_UNTRUSTED|CERT_SIGNATURE/;

/** What to do about a failed connection, where TLS is why: the same attempt would fail again. */
export function tlsAdvice(error: unknown, tls: RedisTls | undefined): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  // A TLS server answers a plain request with an alert, whose first byte the driver names.
  if (tls === undefined) {
    return /^Protocol error, got .*u0015/i.test(error.message)
      ? 'that server speaks TLS: add --redis-tls (and --redis-ca), or a rediss:// address'
      : undefined;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'give the host as the certificate names it, or its name with --redis-tls-servername (behind a tunnel)';
  if (UNTRUSTED.test(code)) return 'give the authority that signed the server’s certificate with --redis-ca';
  if (/^CERT_/.test(code)) return 'the server needs a new certificate (and this machine the right time)';
  if (/wrong.version.number|packet length too long|WRONG_VERSION_NUMBER/i.test(`${error.message} ${code}`))
    return 'that port does not speak TLS: leave out --redis-tls (and rediss://), or give its TLS port';
  if (ASKS_FOR_CERTIFICATE.test(error.message))
    return 'the server asks for a client certificate: give one that it trusts with --redis-cert and --redis-key';
  if (UNKNOWN_CERTIFICATE.test(error.message))
    return 'the server does not take this client certificate: give one that it trusts with --redis-cert and --redis-key';
  return undefined;
}
