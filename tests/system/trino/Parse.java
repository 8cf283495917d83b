// SPDX-License-Identifier: Apache-2.0

import io.trino.sql.parser.ParsingException;
import io.trino.sql.parser.SqlParser;
import java.nio.charset.StandardCharsets;

/** Parses statements of standard input, a NUL between them; prints a line for each that is not Trino's SQL. */
public class Parse {
    public static void main(String[] arguments) throws Exception {
        String input = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        int statements = 0;
        for (String statement : input.split("\0")) {
            try {
                new SqlParser().createStatement(statement);
                statements++;
            } catch (ParsingException error) {
                System.out.println(error.getMessage() + " in " + statement.replace('\n', ' '));
            }
        }
        System.out.println(statements + " parsed");
    }
}
