BEGIN TRANSACTION;
CREATE TABLE approvals (
	id TEXT NOT NULL, 
	decision_key VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	created_at VARCHAR(27) NOT NULL, 
	expires_at VARCHAR(27) NOT NULL, 
	url TEXT NOT NULL, 
	decided_at VARCHAR(27), 
	decided_by TEXT NOT NULL, 
	note TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (decision_key), 
	FOREIGN KEY(decision_key) REFERENCES decisions ("key")
);
INSERT INTO "approvals" VALUES('apr_2e46fccfe0e158b956477e2d1b5c0440','71a3717973afa09df1bf3376f81975cac73e1593aa56bcba47f461ba0ca39dd0','denied','2030-01-01T12:00:00.000000Z','2030-01-01T13:00:00.000000Z','http://127.0.0.1:8081/approvals','2030-01-01T12:00:01.000000Z','kim','');
CREATE TABLE conversations (
	name VARCHAR(64) NOT NULL, 
	conversation VARCHAR(64) NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE decisions (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	"key" VARCHAR(64) NOT NULL, 
	scope_key VARCHAR(64) NOT NULL, 
	id_key VARCHAR(64) NOT NULL, 
	surface VARCHAR(32) NOT NULL, 
	origin TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	call_id TEXT NOT NULL, 
	digest VARCHAR(80) NOT NULL, 
	effect VARCHAR(32) NOT NULL, 
	at VARCHAR(27) NOT NULL, 
	body TEXT NOT NULL, 
	UNIQUE ("key")
);
INSERT INTO "decisions" VALUES(1,'5483bc832924440d2250295825944146418fccaa4ecde92fb3927705a5325eff','77f0debc84b170b3a97b9f1d171e43d4c3751576d01dea02fea62cca1f0fac77','70af842fe84a91fc54d3515d821f053e101ddcec8169b0094a67906f433fa09c','assistants','api.openai.com:443','thread_1/run_1','call_1','hmac:98dcc2b2310d401855e22c2ad4fbb34ff6117c5e50e6efd95873f2927e55fbff','DENY','2030-01-01T12:00:00.000000Z','{"name":"send_message","kind":"function","agent":"kim","assistant":"asst_1","model":"gpt-4o","takes_no_notice":false,"reasons":["SECRET_DETECTED"],"risk":0.9,"trace":"44d01638-01d0-48b8-b427-f2ce3413fb9c","verdicts":[{"scanner":"local","effect":"DENY","reasons":["SECRET_DETECTED"],"risk":0.9,"trace":"44d01638-01d0-48b8-b427-f2ce3413fb9c","explanation":"a key in $.text","findings":[{"kind":"AWS_ACCESS_KEY","reason":"SECRET_DETECTED","path":"$.text","start":0,"end":20,"confidence":0.9,"explanation":"a key"}],"sanitized_arguments":null,"approval_url":null,"is_final":true}],"sanitized_arguments":null,"redacted_arguments":"{\"text\":\"hello\"}"}');
INSERT INTO "decisions" VALUES(2,'71a3717973afa09df1bf3376f81975cac73e1593aa56bcba47f461ba0ca39dd0','77f0debc84b170b3a97b9f1d171e43d4c3751576d01dea02fea62cca1f0fac77','62429204d3a8807c736e6650b6e96a44f99b24b6b5454adadd9459d701ae4df6','assistants','api.openai.com:443','thread_1/run_1','call_2','hmac:98dcc2b2310d401855e22c2ad4fbb34ff6117c5e50e6efd95873f2927e55fbff','REQUIRE_APPROVAL','2030-01-01T12:00:00.000000Z','{"name":"send_message","kind":"function","agent":"kim","assistant":"asst_1","model":"gpt-4o","takes_no_notice":false,"reasons":["SECRET_DETECTED"],"risk":0.9,"trace":"ddef88b9-e0e6-4352-ba7c-c9cc795129c4","verdicts":[{"scanner":"local","effect":"REQUIRE_APPROVAL","reasons":["SECRET_DETECTED"],"risk":0.9,"trace":"ddef88b9-e0e6-4352-ba7c-c9cc795129c4","explanation":"a key in $.text","findings":[{"kind":"AWS_ACCESS_KEY","reason":"SECRET_DETECTED","path":"$.text","start":0,"end":20,"confidence":0.9,"explanation":"a key"}],"sanitized_arguments":null,"approval_url":null,"is_final":true}],"sanitized_arguments":null,"redacted_arguments":"{\"text\":\"hello\"}"}');
CREATE TABLE marks (
	conversation VARCHAR(64) NOT NULL, 
	mark VARCHAR(64) NOT NULL, 
	PRIMARY KEY (conversation, mark)
);
INSERT INTO "marks" VALUES('9dabc534e1b1c135e0ad29c0065ecf12d45dc5ee65762a3463304f4e989c1bd7','126a4223b1ec136894d6ef8eb26a561cefc6a0accc04080b6532cd311e011b47');
CREATE TABLE meta (
	"key" VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','4');
INSERT INTO "meta" VALUES('salt','bdbbba95df105e60ceed094b47c656c892b1c8d1af7e695725160fad2220f6b0');
CREATE TABLE records (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	instance TEXT NOT NULL, 
	at VARCHAR(27) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	body TEXT NOT NULL
);
INSERT INTO "records" VALUES(1,'gate-1','2030-01-01T12:00:00.000000Z','call','{"trace":"44d01638-01d0-48b8-b427-f2ce3413fb9c"}');
INSERT INTO "records" VALUES(2,'gate-1','2030-01-01T12:00:00.000000Z','approval','{"by":"kim"}');
CREATE INDEX decisions_scope_key ON decisions (scope_key, seq);
CREATE INDEX decisions_id_key ON decisions (id_key, seq);
CREATE INDEX ix_approvals_state ON approvals (state);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('decisions',2);
INSERT INTO "sqlite_sequence" VALUES('records',2);
COMMIT;
