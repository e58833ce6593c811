# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Client certificates of all kinds for cases. Sourced after lib.sh.

# issue PKI FILE SUBJECT START END [USAGE]: FILE.crt and FILE.key, signed by the cluster's CA in the folder PKI
issue() {
	local ca=$WORK/ca.$BASHPID
	mkdir -p "$ca"
	: >"$ca/index"
	printf '[ca]\ndefault_ca=d\n[d]\ndir=%s\ndatabase=%s\nnew_certs_dir=%s\ndefault_md=sha256\nrand_serial=yes\nunique_subject=no\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nextendedKeyUsage=%s\n[req]\ndistinguished_name=dn\n[dn]\n' \
		"$ca" "$ca/index" "$ca" "${6:-clientAuth}" >"$ca/conf"
	openssl req -new -newkey rsa:2048 -nodes -subj "$3" -config "$ca/conf" -keyout "$2.key" -out "$2.csr" 2>/dev/null
	openssl ca -batch -notext -config "$ca/conf" -cert "$1/ca.crt" -keyfile "$1/ca.key" \
		-startdate "$4" -enddate "$5" -in "$2.csr" -out "$2.crt" 2>/dev/null
}

# self_signed FILE SUBJECT: of nobody's CA
self_signed() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj "$2" -keyout "$1.key" -out "$1.crt" 2>/dev/null
}
